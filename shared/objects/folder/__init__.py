"""Objects as files in a folder, one file each, named as the object."""
