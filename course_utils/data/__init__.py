"""The data sets: MNIST and torchvision's, sprites, emoji."""
