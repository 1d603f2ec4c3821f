"""Everything that touches TensorFlow, and the weights that it runs on."""
