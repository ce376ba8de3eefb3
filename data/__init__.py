"""The corpora as package data: `labutils.content.data_folder()` finds them in a checkout and in an installed wheel alike."""
