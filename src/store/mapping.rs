//! Numbers in a file as an array: the system keeps in memory what it has room for, and reads the rest when it is asked for.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{Advice, Mmap};

/// A file of numbers that is mapped.
#[derive(Debug)]
pub(super) struct Mapping {
    map: Mmap,
    file: File,
    /// How often more the system is told what is read soon without a page being found missing.
    telling: AtomicU32,
}

/// Bytes that are read together at least; pages of another size are only told more often than need be.
const PAGE: usize = 4096;

/// Parts of which it is looked whether they are in memory, of those that are read soon.
const LOOKED_AT: usize = 4;

/// How often the system is told, once a page was found missing.
const TELLINGS: u32 = 64;

impl Mapping {
    /// Of a file that has no name, and to which nobody writes any more.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn of(file: File) -> io::Result<Self> {
        // SAFETY: a mapping is sound as long as nobody changes or shortens its file. This one has no name in any folder, so that
        // no other process can open it, and this one keeps it here, where nothing writes.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self { map, file, telling: AtomicU32::new(0) })
    }

    /// All numbers.
    pub(super) fn values(&self) -> &[f64] {
        bytemuck::cast_slice(&self.map)
    }

    /// Tells the system that these parts are read soon. Where all that is looked at is in memory nothing is told: to tell costs as
    /// much as to read what is there. Parts of other arrays are passed over.
    pub(super) fn read_soon(&self, parts: &mut dyn Iterator<Item = &[f64]>) {
        let mut pages: Vec<(usize, usize)> = parts.filter_map(|part| self.pages(part)).take(LOOKED_AT).collect();
        if pages.iter().any(|(first, _)| !self.is_in_memory(*first)) {
            self.telling.store(TELLINGS, Ordering::Relaxed);
        }
        let telling = self.telling.load(Ordering::Relaxed);
        if telling == 0 {
            return;
        }
        self.telling.store(telling - 1, Ordering::Relaxed);
        pages.extend(parts.filter_map(|part| self.pages(part)));
        pages.sort_unstable();
        let mut pages = pages.into_iter();
        let Some(mut run) = pages.next() else { return };
        for (first, end) in pages {
            if first <= run.1 {
                run.1 = run.1.max(end);
            } else {
                self.tell(std::mem::replace(&mut run, (first, end)));
            }
        }
        self.tell(run);
    }

    /// Tells the system whether numbers are read here and there: it then reads no more of the disk than is asked for.
    pub(super) fn read_at_random(&self, random: bool) {
        // without it, the same is read more slowly
        let _ = self.map.advise(if random { Advice::Random } else { Advice::Normal });
    }

    /// The pages of a part, from the first to the one behind the last.
    fn pages(&self, part: &[f64]) -> Option<(usize, usize)> {
        let (whole, part) = (self.map.as_ptr_range(), part.as_ptr_range());
        let (start, end) = (part.start.cast::<u8>(), part.end.cast::<u8>());
        let from = |at: *const u8| at as usize - whole.start as usize;
        (start >= whole.start && end <= whole.end && start < end)
            .then(|| (from(start) / PAGE, from(end).div_ceil(PAGE)))
    }

    fn tell(&self, (first, end): (usize, usize)) {
        let bytes = (end * PAGE).min(self.map.len()) - first * PAGE;
        // what is refused is read when it is needed
        let _ = self.map.advise_range(Advice::WillNeed, first * PAGE, bytes);
    }

    /// Whether a page can be read without waiting for the disk; false where the system does not say.
    #[cfg(target_os = "linux")]
    fn is_in_memory(&self, page: usize) -> bool {
        use rustix::io::{ReadWriteFlags, preadv2};
        let mut byte = [0];
        let mut into = [io::IoSliceMut::new(&mut byte)];
        preadv2(&self.file, &mut into, (page * PAGE) as u64, ReadWriteFlags::NOWAIT).is_ok()
    }

    /// Whether a page can be read without waiting for the disk; false where the system does not say.
    #[cfg(not(target_os = "linux"))]
    fn is_in_memory(&self, _page: usize) -> bool {
        let _ = &self.file;
        false
    }
}
