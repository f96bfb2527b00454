OWNER = "package"
