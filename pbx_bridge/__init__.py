"""pbx-bridge: couples a PBX call with a video of one business window, for training, under strict rules."""
