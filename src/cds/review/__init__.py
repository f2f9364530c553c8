"""A review by the clinician: the form, what of it is worth asking, and the answers as FHIR."""
