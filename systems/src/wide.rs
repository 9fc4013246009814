//! Wide vectors where the processor has them.

/// Compiles a function twice, with the instructions that every x86-64 has and with AVX2, and takes the second where the
/// processor has AVX2. Both give the same bits: the compiler never fuses a product and a sum. Worth it for loops over
/// flat slices, which are twice as fast; what the function calls must be `#[inline(always)]`.
#[macro_export]
macro_rules! wide {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $crate::vectorized! {
            [$(#[$attribute])* $visibility fn $name] ($($argument: $kind),*) ($($argument),*) $body
            with_avx2 "avx2" ["avx2"]
        }
    };
}

/// As [`wide!`](crate::wide!), with AVX2 and FMA and a third time with AVX-512: worth it where a loop is bound by arithmetic.
/// All three give the same bits; `mul_add` rounds once in each, but is slow where the processor has no such instruction.
#[macro_export]
macro_rules! widest {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $crate::vectorized! {
            [$(#[$attribute])* $visibility fn $name] ($($argument: $kind),*) ($($argument),*) $body
            with_avx512 "avx512f,avx512dq,avx512bw,avx512vl" ["avx512f" "avx512dq" "avx512bw" "avx512vl"]
            with_avx2 "avx2,fma" ["avx2" "fma"]
        }
    };
}

/// What [`wide!`](crate::wide!) and [`widest!`](crate::widest!) are: a function with its parameters, the arguments of a call, and its body, which
/// is compiled with each of these sets of instructions too; the first that the processor has is taken.
#[doc(hidden)]
#[macro_export]
macro_rules! vectorized {
    (
        [$(#[$attribute:meta])* $visibility:vis fn $name:ident] $parameters:tt $arguments:tt $body:block
        $($version:ident $features:tt [$($feature:tt)+])+
    ) => {
        $(#[$attribute])*
        $visibility fn $name $parameters {
            #[inline(always)]
            fn body $parameters $body

            $(
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = $features)]
                fn $version $parameters {
                    body $arguments;
                }
            )+

            $(
                #[cfg(target_arch = "x86_64")]
                if $(std::arch::is_x86_feature_detected!($feature))&&+ {
                    // SAFETY: the processor has just been found to have these instructions.
                    return unsafe { $version $arguments };
                }
            )+
            body $arguments;
        }
    };
}

pub(crate) use {wide, widest};
