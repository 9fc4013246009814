//! A device that networks cannot be trained on is refused before anything is done.

use super::refused;

#[test]
fn a_device_that_there_is_none_of_is_refused_in_one_sentence() {
    for word in ["gpu", "cuda:first", "cpu:0"] {
        let (_, said) = refused(&["train", "lorenz96", "--device", word], 2, "usage");
        let expected = format!("`{word}` is no device; write cpu, cuda or cuda:N, where N is the number of the GPU");
        assert_eq!(said["error"]["message"], expected);
    }
    if !cfg!(feature = "cuda") {
        let (said, _) = refused(&["compare", "lorenz96", "--device", "cuda:0"], 2, "usage");
        assert!(said.contains(
            "this scorecast was built without CUDA and cannot train on `cuda:0`; build it with `cargo build"
        ));
    }
}
