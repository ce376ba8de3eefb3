"""The notebooks as package data: `labutils.content.labs_folder()` finds them in a checkout and in an installed wheel alike."""
