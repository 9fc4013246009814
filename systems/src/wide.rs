//! Wide vectors where the processor has them.

/// Compiles a function twice, with the instructions that every x86-64 has and with AVX2, and takes the second where the
/// processor has AVX2. Both give the same bits: the compiler never fuses a product and a sum. Worth it for loops over
/// flat slices, which are twice as fast; what the function calls must be `#[inline(always)]`.
#[macro_export]
macro_rules! wide {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn body($($argument: $kind),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn with_avx2($($argument: $kind),*) {
                body($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has just been found to have AVX2.
                return unsafe { with_avx2($($argument),*) };
            }
            body($($argument),*);
        }
    };
}

/// As [`wide!`](crate::wide!), with AVX2 and FMA and a third time with AVX-512: worth it where a loop is bound by arithmetic.
/// All three give the same bits; `mul_add` rounds once in each, but is slow where the processor has no such instruction.
#[macro_export]
macro_rules! widest {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn body($($argument: $kind),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn with_avx2($($argument: $kind),*) {
                body($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
            fn with_avx512($($argument: $kind),*) {
                body($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512dq")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vl")
            {
                // SAFETY: the processor has just been found to have them.
                return unsafe { with_avx512($($argument),*) };
            }
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                // SAFETY: as above.
                return unsafe { with_avx2($($argument),*) };
            }
            body($($argument),*);
        }
    };
}

pub(crate) use {wide, widest};
