stands for a graph
