"""HTML for people: the page behind a card, what-if, SMART launch, console."""
