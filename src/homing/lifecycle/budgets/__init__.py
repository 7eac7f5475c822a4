"""Plans and policies under shared limits: candidates gathered, prices found and kept, draws that add up."""
