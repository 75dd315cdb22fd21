"""What a person sees: one class, one file, one twin under js/src/widgets."""
