stands for a model
