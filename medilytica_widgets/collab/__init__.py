"""The shared workspace: its document and schema, the rooms that carry it, presence and chat."""
