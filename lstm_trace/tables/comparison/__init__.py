"""Two traces compared, as Markdown, frames, JSON and a page."""
