"""The native languages of venues: each dialect is one face of the one matching engine and reads like its venue's documentation."""
