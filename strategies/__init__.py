"""What a strategy is: gene table, codec, operands, templates. Knows no market data source."""
