//! Where memory comes from: mimalloc for almost everything, the system for what is large.

use std::alloc::{GlobalAlloc, Layout, System};

use mimalloc::MiMalloc;

/// From here on it is the system's. It gives fresh pages, which cost nothing until they are written: the embedded store
/// lays out dozens of tables of half a megabyte at the start, of which a small cluster touches almost nothing. mimalloc
/// writes zeros over all of them.
const LARGE: usize = 256 * 1024;

/// Runs before anything is allocated.
#[used]
#[unsafe(link_section = ".init_array.00001")]
static BEFORE_MAIN: extern "C" fn() = keep_small;

extern "C" fn keep_small() {
    // mimalloc asks for huge pages, and each first touch would then take two megabytes. Where the system does not know
    // this call, it has no huge pages.
    let _ = nix::sys::prctl::set_thp_disable(true);
    // glibc learns from the first large block that is freed to keep such blocks, and then writes zeros over them too.
    #[cfg(target_env = "gnu")]
    // SAFETY: nothing else runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE as libc::c_int);
    }
}

/// Hands each request to the allocator that its size is for; the size is known again when it is given back.
pub struct Allocator;

// SAFETY: each block is made, resized and freed by one allocator, which its size alone decides, and both keep the
// contract of `GlobalAlloc` themselves.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are handed on.
        unsafe { if layout.size() < LARGE { MiMalloc.alloc(layout) } else { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { if layout.size() < LARGE { MiMalloc.alloc_zeroed(layout) } else { System.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; the layout is the one that the block was made with.
        unsafe { if layout.size() < LARGE { MiMalloc.dealloc(block, layout) } else { System.dealloc(block, layout) } }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: it stays with the allocator that made it.
        match (layout.size() < LARGE, new_size < LARGE) {
            (true, true) => return unsafe { MiMalloc.realloc(block, layout, new_size) },
            (false, false) => return unsafe { System.realloc(block, layout, new_size) },
            _ => {}
        }
        // SAFETY: the alignment is that of a valid layout, and the caller promises that the new size fits it.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new block is at least as long as what is copied, and the old one is given back to its maker.
        unsafe {
            let moved = self.alloc(new_layout);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_its_content_across_the_border() {
        let layout = |size| Layout::from_size_align(size, 16).unwrap();
        // SAFETY: every block is used within its size, and freed with its last layout.
        unsafe {
            let small = Allocator.alloc_zeroed(layout(LARGE - 1));
            small.add(LARGE - 2).write(7);
            let large = Allocator.realloc(small, layout(LARGE - 1), LARGE + 1);
            assert_eq!((large.read(), large.add(LARGE - 2).read()), (0, 7));
            large.write(9);
            let small = Allocator.realloc(large, layout(LARGE + 1), 10);
            assert_eq!(small.read(), 9);
            Allocator.dealloc(small, layout(10));
            let zeroed = Allocator.alloc_zeroed(layout(2 * LARGE));
            assert_eq!(zeroed.add(2 * LARGE - 1).read(), 0);
            Allocator.dealloc(zeroed, layout(2 * LARGE));
        }
    }
}
