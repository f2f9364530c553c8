"""HTTP addresses for programs: CDS Hooks, /evaluate, feedback, health, OpenAPI; admission, bodies, errors."""
