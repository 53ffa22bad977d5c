"""What every room uses: errors, files, formatting, progress, places. It knows nothing of classifiers."""
