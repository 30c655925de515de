"""What each speed and accuracy claim is measured with; not part of the tests."""
