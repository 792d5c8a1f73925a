"""What is known of hardware: figures with source, date and confidence. Data, with the little code that reads it."""
