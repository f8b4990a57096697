"""Web servers: parts of files, folders by WebDAV, versions."""
