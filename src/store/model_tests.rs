//! Models come back bit for bit, and files that are not what they should be are refused.

use super::*;

fn model() -> Model {
    let tiny = f64::from_bits(1);
    // Shortest decimal forms that a parser without exact rounding gets wrong in the last bit.
    let config = json!({ "width": 64, "nested": { "lr": [3.7e-4, 0.1 + 0.2, 7.205_759_403_792_793e16, tiny, -0.0] },
        "big": u64::MAX, "exact": 122.416_294_033_786_59 });
    let tensors = BTreeMap::from([
        ("b.weight".to_string(), Tensor { shape: vec![2, 2], values: Values::F32(vec![0.1, -0.0, 1e-45, f32::MAX]) }),
        ("a.states".to_string(), Tensor { shape: vec![3], values: Values::F64(vec![0.1, tiny, -f64::MAX]) }),
        ("step".to_string(), Tensor { shape: vec![1], values: Values::I64(vec![i64::MIN]) }),
        ("empty".to_string(), Tensor { shape: vec![0, 4], values: Values::F32(vec![]) }),
    ]);
    let object = |value: Value| value.as_object().cloned().unwrap();
    let made_from = crate::model::Provenance {
        seed: u64::MAX,
        system: Some(object(json!({ "name": "ou", "noise": [0.1] }))),
        settings: object(json!({ "width": 64, "learning_rate": 0.1 + 0.2 })),
        dt: 0.1 + 0.2,
        unit: "hours".into(),
        unit_seconds: Some(3600.0),
        components: 3,
        geometry: "unstructured".into(),
        data: "ab".repeat(32),
    };
    Model { kind: "diffusion".into(), config, made_from: Some(made_from), tensors }
}

const ENOUGH: Limits = Limits::bytes(1 << 20);

fn round_trip(bytes: &[u8]) -> Result<Model> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    std::fs::write(&path, bytes).unwrap();
    read(&path, &ENOUGH)
}

fn written() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    write(&path, &model()).unwrap();
    std::fs::read(&path).unwrap()
}

/// A safetensors file with this header and so many zero bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn refused(bytes: &[u8], says: &str) {
    let error = round_trip(bytes).unwrap_err();
    assert!(matches!(error, Error::Data(_)) && error.to_string().contains(says), "{error}");
}

#[test]
fn a_model_comes_back_bit_for_bit_and_is_written_to_the_same_bytes() {
    let bytes = written();
    let back = round_trip(&bytes).unwrap();
    assert_eq!(back, model());
    assert_eq!(back.config.to_string(), model().config.to_string());
    for (name, tensor) in &model().tensors {
        assert_eq!(to_bytes(&back.tensors[name].values), to_bytes(&tensor.values), "{name}");
    }
    for _ in 0..8 {
        assert_eq!(written(), bytes);
    }
}

#[test]
fn ten_thousand_numbers_of_a_configuration_come_back_exactly() {
    // A multiplicative walk through the bits visits all exponents.
    let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
    let mut numbers = Vec::new();
    while numbers.len() < 10_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.extend(Some(f64::from_bits(bits)).filter(|x| x.is_finite()));
    }
    let text = json!(numbers).to_string();
    let back: Vec<f64> = serde_json::from_str(&text).unwrap();
    let wrong = numbers.iter().zip(&back).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    assert_eq!(wrong, 0);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = written();
    for length in 0..bytes.len() {
        assert!(round_trip(&bytes[..length]).is_err(), "{length} of {} bytes were read", bytes.len());
    }
}

/// The text of the metadata as it stands in a header.
fn in_header(about: &str) -> String {
    format!(r#""__metadata__":{{"scorecast":{}}}"#, json!(about))
}

#[test]
fn names_twice_foreign_files_and_other_formats_are_refused() {
    let text = r#"{"format":3,"kind":"k","config":{},"made_from":null}"#;
    let one = BTreeMap::from([("a".to_owned(), Tensor { shape: vec![1], values: Values::F32(vec![0.0]) })]);
    let about = in_header(&sealed(text, &one));
    let tensor = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    assert_eq!(round_trip(&file(&format!("{{{about},{tensor}}}"), 4)).unwrap().tensors, one);
    refused(&file(&format!("{{{about},{tensor},{tensor}}}"), 4), "`a` is named twice");
    refused(&file(&format!("{{{about},{about},{tensor}}}"), 4), "named twice");
    let config = in_header(r#"{"format":3,"kind":"k","kind":"l","config":{}}"#);
    refused(&file(&format!("{{{config}}}"), 0), "`kind` is named twice");
    refused(&file(&format!("{{{tensor}}}"), 4), "not a model of scorecast");
    let other = |format: &str| file(&format!("{{{}}}", about.replace(r#"\"format\":3"#, format)), 0);
    refused(&other(r#"\"format\":4"#), "model format 4");
    refused(&other(r#"\"format\":1"#), "earlier version");
    refused(&other(r#"\"format\":1"#), "train the model again");
    refused(&file(&format!("{{{about},{}}}", tensor.replace("F32", "I32")), 4), "has the type I32");
    refused(&file(&format!("{{{about},{}}}", tensor.replace("[1]", "[1000000]")), 4), "damaged");
    refused(
        &file(&format!("{{{about},{}}}", tensor.replace("\"a\"", "\"b\"")), 4),
        "damaged: its content has the SHA-256",
    );
    refused(
        &file(&format!("{{{about},{}}}", tensor.replace("[1]", "[1,1]")), 4),
        "damaged: its content has the SHA-256",
    );
    refused(&file(&format!("{{{}}}", in_header(text)), 0), "holds no digest");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    refused(&file(&deep, 0), "header is damaged");
}

#[test]
fn a_pickle_is_refused_with_the_reason() {
    // pickle protocol 4, the zip of torch.save, and one that only its name tells
    for bytes in [&b"\x80\x04\x95pickle, perhaps"[..], b"PK\x03\x04\0\0archive/data.pkl"] {
        refused(bytes, "is not a safetensors file but a pickle");
        refused(bytes, "never read");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.PT");
    std::fs::write(&path, b"(dp0\n.").unwrap();
    assert!(read(&path, &ENOUGH).unwrap_err().to_string().contains("a program that could do anything"));
    refused(b"(dp0\n.", "is not a safetensors file, or is cut short");
}

#[test]
fn whatever_bit_is_flipped_the_file_is_refused_or_holds_the_same_model() {
    let mut bytes = written();
    let (model, mut same) = (model(), 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    for place in 0..bytes.len() {
        // two of the eight, others from byte to byte
        for bit in [place % 8, (place / 8 + 3) % 8] {
            bytes[place] ^= 1 << bit;
            std::fs::write(&path, &bytes).unwrap();
            bytes[place] ^= 1 << bit;
            match read(&path, &ENOUGH) {
                Ok(read) => {
                    assert_eq!(read, model, "bit {bit} of byte {place}");
                    same += 1;
                }
                Err(error) => assert!(matches!(error, Error::Data(_) | Error::Resource(_)), "{error}"),
            }
        }
    }
    // none today: blanks are no bit apart from each other
    assert_eq!(same, 0);
}

#[test]
fn weights_that_are_not_finite_are_refused_both_ways() {
    let mut bad = model();
    let path = tempfile::tempdir().unwrap().path().join("m.safetensors");
    bad.tensors.insert("w".into(), Tensor { shape: vec![2], values: Values::F32(vec![0.0, f32::NAN]) });
    let error = write(&path, &bad).unwrap_err();
    assert!(error.to_string().contains("`w` is not finite: value 1 of 2"), "{error}");
    let mut bytes = written();
    // F64 values come first in a file; the first of them is the 0.1 of `a.states` in its first eight data bytes.
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let place = (data..bytes.len() - 8).find(|&i| bytes[i..i + 8] == 0.1_f64.to_le_bytes()).unwrap();
    bytes[place..place + 8].copy_from_slice(&f64::INFINITY.to_le_bytes());
    refused(&bytes, "`a.states` is not finite");
}

#[test]
fn sizes_are_checked_before_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    write(&path, &model()).unwrap();
    let error = read(&path, &Limits::bytes(100)).unwrap_err();
    assert!(matches!(error, Error::Resource(_)) && error.to_string().contains("100 are allowed"), "{error}");
    // Sparse: 64 GiB of nothing on the disk.
    std::fs::File::create(&path).unwrap().set_len(1 << 36).unwrap();
    assert!(matches!(read(&path, &ENOUGH).unwrap_err(), Error::Resource(_)));
    assert!(matches!(read(&folder.path().join("none"), &ENOUGH).unwrap_err(), Error::Io(_)));
    assert!(matches!(read(folder.path(), &ENOUGH).unwrap_err(), Error::Data(_)));
}
