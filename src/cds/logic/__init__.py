"""Truth, conditions, clauses, strata: pure logic that knows nothing of rules or patients."""
