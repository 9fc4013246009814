//! Files that were good once: cut short, flipped bits. Nothing but an error or the right values may come of them.

use super::*;
use crate::store::Error;

/// A small dataset, so that many damaged copies can be read.
fn small() -> Dataset {
    let values = (0..600).map(|i| (i as f64 * 0.37).sin()).collect();
    Dataset::default()
        .coordinate(Variable::coordinate("time", Values::F64((0..30).map(f64::from).collect())).with("units", "1"))
        .dimension("component", 20)
        .variable(Variable::new("state", &["time", "component"], Values::F64(values)))
        .variable(Variable::new("name", &["component"], Values::Text((0..20).map(|i| format!("x{i}")).collect())))
        .with("Conventions", "CF-1.11")
        .with("source", "a test")
        .with("history", "none")
}

fn small_bytes() -> Vec<u8> {
    in_folder(|path| {
        write(path, &small()).unwrap();
        std::fs::read(path).unwrap()
    })
}

/// Where a stretch of a variable's stored bytes lies in the file.
fn chunk_of(path: &std::path::Path, name: &str) -> std::ops::Range<usize> {
    let file = hdf5::File::open(path).unwrap();
    let info = file.dataset(name).unwrap().chunk_info(0).unwrap();
    let start = usize::try_from(info.addr).unwrap();
    start..start + usize::try_from(info.size).unwrap()
}

#[test]
fn every_flipped_bit_of_the_data_is_an_error_that_names_the_variable() {
    in_folder(|path| {
        write(path, &small()).unwrap();
        let good = std::fs::read(path).unwrap();
        let place = chunk_of(path, "state");
        for byte in place.step_by(37) {
            let mut bad = good.clone();
            bad[byte] ^= 1 << (byte % 8);
            std::fs::write(path, &bad).unwrap();
            let error = read(path, &ENOUGH).unwrap_err();
            assert!(matches!(error, Error::Data(_)), "{error}");
            assert!(error.to_string().contains("variable `state` is damaged: its checksum"), "{error}");
        }
    });
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_harmless() {
    let good = small_bytes();
    let mut found = 0;
    let places: Vec<usize> = (0..good.len()).step_by(11).collect();
    in_folder(|path| {
        for &byte in &places {
            let mut bad = good.clone();
            bad[byte] ^= 1 << ((byte / 11) % 8);
            std::fs::write(path, &bad).unwrap();
            match read(path, &ENOUGH) {
                Ok(back) => assert!(back == small(), "the flip in byte {byte} of {} went unseen", good.len()),
                Err(_) => found += 1,
            }
        }
    });
    // Unused space of the file is the rest.
    assert!(found > places.len() / 4, "{found} of {} flips found", places.len());
}

#[test]
fn every_truncation_is_an_error() {
    let good = small_bytes();
    in_folder(|path| {
        for length in (0..good.len()).step_by(61).chain([good.len() - 1]) {
            std::fs::write(path, &good[..length]).unwrap();
            let error = read(path, &ENOUGH).unwrap_err();
            assert!(matches!(error, Error::Data(_)), "{length}: {error}");
        }
        std::fs::write(path, &good[..good.len() - 1]).unwrap();
        assert!(read(path, &ENOUGH).unwrap_err().to_string().contains("cut short"));
    });
}

#[test]
fn foreign_missing_and_empty_files_and_folders_have_their_sentences() {
    in_folder(|path| {
        let says = |says: &str| {
            let error = read(path, &ENOUGH).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("a.nc"), "{error}");
        };
        says("check the path");
        std::fs::write(path, b"time,x\n0,1\n").unwrap();
        says("is not an HDF5 (NetCDF-4) file");
        std::fs::write(path, b"").unwrap();
        says("is not an HDF5 (NetCDF-4) file");
        std::fs::write(path, b"CDF\x01 a file of NetCDF-3").unwrap();
        says("is not an HDF5 (NetCDF-4) file");
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
        says("is not a file");
    });
}

#[test]
fn what_a_killed_writer_leaves_is_not_taken_for_a_file() {
    in_folder(|path| {
        write(path, &small()).unwrap();
        let half = path.with_file_name(".a.nc.77-0.partial");
        std::fs::write(&half, &small_bytes()[..1000]).unwrap();
        assert!(read(path, &ENOUGH).unwrap() == small());
        write(path, &small()).unwrap();
        assert!(read(path, &ENOUGH).unwrap() == small());
        assert!(crate::store::atomic::is_temporary(half.file_name().unwrap().to_str().unwrap()));
    });
}
