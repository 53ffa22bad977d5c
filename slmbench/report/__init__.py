"""What a person looks at: HTML, Markdown, CSV and plots of a comparison."""
