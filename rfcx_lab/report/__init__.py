"""What is put on record and looked at: verdict, curves, figure, table."""
