"""The vocabulary of all topics: units, instrument, inputs, events, refusals, topics, codec. Imports msgspec only."""
