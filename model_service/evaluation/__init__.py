"""Evaluation: predictions against labels. The only room that knows scikit-learn and matplotlib."""
