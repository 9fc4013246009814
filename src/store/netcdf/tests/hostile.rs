//! Files made to do harm: claims of terabytes, ways out of the file, decompression bombs.

use std::path::Path;

use hdf5::{File, H5Type, h5check, h5lock};

use super::*;
use crate::store::Error;

fn refused(path: &Path, says: &str) -> Error {
    let error = read(path, &Limits::bytes(1 << 30)).unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
    error
}

#[test]
fn a_claim_of_ten_terabytes_is_refused_before_memory_is_asked_for() {
    for chunked in [false, true] {
        in_folder(|path| {
            let file = File::create(path).unwrap();
            let builder = file.new_dataset::<f64>().shape((1 << 20, 1_250_000));
            let builder = if chunked { builder.chunk((1 << 10, 1 << 7)).deflate(4) } else { builder };
            builder.create("u").unwrap();
            file.close().unwrap();
            assert!(std::fs::metadata(path).unwrap().len() < 10_000);
            let error = refused(path, "variable `u` claims 1048576 x 1250000 values");
            assert!(matches!(error, Error::Data(_)));
            // Even a person who allows everything is told, and nothing is allocated.
            let all = Limits::bytes(u64::MAX);
            assert!(matches!(read(path, &all), Err(Error::Data(_))));
        });
    }
}

#[test]
fn an_honest_file_beyond_the_limit_is_a_matter_of_memory() {
    in_folder(|path| {
        write(path, &sample()).unwrap();
        // 500 times and 200,000 states of eight bytes are more than a million bytes.
        let error = read(path, &Limits::bytes(1_000_000)).unwrap_err();
        assert!(matches!(error, Error::Resource(_)), "{error}");
        assert!(error.to_string().contains("1600000 bytes") && error.to_string().contains("--max-memory"), "{error}");
    });
}

#[test]
fn sizes_that_overflow_and_huge_chunks_are_refused() {
    in_folder(|path| {
        let file = File::create(path).unwrap();
        let side = 1_usize << 31;
        file.new_dataset::<f64>().shape((side, side, 4)).chunk((1, 1, 4)).create("u").unwrap();
        file.close().unwrap();
        refused(path, "no compression explains that");
    });
    in_folder(|path| {
        let file = File::create(path).unwrap();
        file.new_dataset::<f64>().shape((4..,)).chunk(1 << 28).deflate(1).create("u").unwrap();
        file.close().unwrap();
        refused(path, "chunks of 2147483648 bytes");
    });
}

#[test]
fn ways_out_of_the_file_are_refused() {
    in_folder(|path| {
        let secret = path.with_file_name("secret");
        write(&secret, &sample()).unwrap();
        let file = File::create(path).unwrap();
        file.link_external(secret.to_str().unwrap(), "/state", "u").unwrap();
        file.close().unwrap();
        assert!(matches!(refused(path, "`u` is a link to another file"), Error::Data(_)));

        let file = File::create(path).unwrap();
        file.new_dataset::<f64>().shape(2).create("v").unwrap();
        file.link_soft("/v", "w").unwrap();
        file.close().unwrap();
        refused(path, "`w` is a soft link");

        let file = File::create(path).unwrap();
        let outside = file.new_dataset::<f64>().no_chunk().with_dcpl(|p| p.external(secret.to_str().unwrap(), 0, 16));
        outside.shape(2).create("u").unwrap();
        file.close().unwrap();
        refused(path, "`u` has external storage");

        let file = File::create(path).unwrap();
        let map = |p: &mut hdf5::plist::DatasetCreateBuilder| {
            p.virtual_map(secret.to_str().unwrap(), "/state", (500, 400), .., (500, 400), ..);
        };
        let builder = file.new_dataset::<f64>().with_dcpl(|p| {
            map(p);
            p
        });
        builder.shape((500, 400)).create("u").unwrap();
        file.close().unwrap();
        refused(path, "`u` is virtual");
    });
}

#[test]
fn links_in_a_circle_are_not_followed() {
    in_folder(|path| {
        write(path, &sample()).unwrap();
        let whole = read(path, &ENOUGH).unwrap();
        let file = File::open_rw(path).unwrap();
        let group = file.create_group("inner").unwrap();
        group.link_hard("/", "up").unwrap();
        group.link_hard("/inner", "itself").unwrap();
        drop(group);
        file.close().unwrap();
        assert_eq!(read(path, &ENOUGH).unwrap(), whole);

        let file = File::create(path).unwrap();
        file.link_soft("/w", "v").unwrap();
        file.link_soft("/v", "w").unwrap();
        file.close().unwrap();
        refused(path, "`v` is a soft link");
    });
}

#[test]
fn types_that_are_not_numbers_or_strings_are_refused_by_name() {
    #[derive(H5Type, Clone, Copy)]
    #[repr(C)]
    struct Pair {
        a: f64,
        b: i32,
    }
    in_folder(|path| {
        let file = File::create(path).unwrap();
        file.new_dataset_builder().with_data(&[Pair { a: 1.0, b: 2 }]).create("p").unwrap();
        file.close().unwrap();
        let error = refused(path, "variable `p` has a compound type");
        assert!(matches!(error, Error::Data(_)));
    });
    in_folder(|path| {
        let file = File::create(path).unwrap();
        file.new_dataset_builder().with_data(&[u64::MAX]).create("n").unwrap();
        file.close().unwrap();
        assert_eq!(read(path, &ENOUGH).unwrap().get("n").unwrap().values, Values::U64(vec![u64::MAX]));
    });
}

#[test]
fn a_chunk_stored_in_more_bytes_than_it_holds_is_a_bomb() {
    in_folder(|path| {
        let file = File::create(path).unwrap();
        let dataset = file.new_dataset::<f64>().shape(512).chunk(512).deflate(4).create("u").unwrap();
        // Not even deflated: what is stored is never looked at.
        let bytes = vec![0x78_u8; 100_000];
        h5lock!({
            // SAFETY: the dataset is live, the offset has its one dimension, and `bytes` has the length stated.
            unsafe {
                let write = hdf5_sys::h5d::H5Dwrite_chunk;
                let default = hdf5_sys::h5p::H5P_DEFAULT;
                h5check(write(dataset.id(), default, 0, [0].as_ptr(), bytes.len(), bytes.as_ptr().cast()))
            }
        })
        .unwrap();
        drop(dataset);
        file.close().unwrap();
        refused(path, "a chunk of 4096 bytes that is stored in 100000");
    });
}
