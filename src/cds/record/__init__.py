"""FHIR JSON to what the EHR said: whose it is, when, how certain, what was not sent."""
