//! What stands for sizes of a network that its description leaves out.

/// The usual number of resolutions of a U-Net.
pub const RESOLUTIONS: usize = 3;

/// The usual number of heads of a transformer.
pub const HEADS: usize = 4;

/// The usual number of resolutions.
pub const fn usual_resolutions() -> usize {
    RESOLUTIONS
}

/// Whether it is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
pub const fn is_usual_resolutions(resolutions: &usize) -> bool {
    *resolutions == RESOLUTIONS
}

/// The usual number of heads.
pub const fn usual_heads() -> usize {
    HEADS
}

/// Whether it is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
pub const fn is_usual_heads(heads: &usize) -> bool {
    *heads == HEADS
}

/// One trunk.
pub const fn one() -> usize {
    1
}

/// Whether it is left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
pub const fn is_one(copies: &usize) -> bool {
    *copies == 1
}
