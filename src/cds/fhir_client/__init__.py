"""Reading what a prefetch lacks from allowed FHIR servers."""
