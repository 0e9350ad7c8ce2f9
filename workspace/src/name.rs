use crate::WorkspaceError;

/// Longest table name: Log Analytics' 45 alphanumerics and `_CL`, with room for service tables.
const MAX_LENGTH: usize = 100;

/// A table name becomes a folder name: letters, digits and `_` only, so that it can never leave the workspace.
pub(crate) fn check(name: &str) -> Result<(), WorkspaceError> {
    let wrong = |why| Err(WorkspaceError::Name { name: name.to_owned(), why });
    if name.is_empty() {
        return wrong("it is empty");
    }
    if name.len() > MAX_LENGTH {
        return wrong("it is longer than 100 characters");
    }
    if !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
        return wrong("only letters, digits and `_` are allowed");
    }
    if !name.starts_with(|character: char| character.is_ascii_alphabetic() || character == '_') {
        return wrong("it must begin with a letter");
    }
    Ok(())
}
