"""Chen and Liu: Towards Better Data Augmentation using Wasserstein Distance in VAE."""
