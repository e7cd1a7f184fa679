"""Akula, Chauk, Karanth and Ramaswami: Image Data Generation with GAN, VAE, and Sampling."""
