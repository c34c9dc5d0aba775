"""All that comes in: arrays, frames, sequences, streams; and how it becomes batches."""
