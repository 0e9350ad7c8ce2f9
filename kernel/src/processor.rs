//! `.cargo/config.toml` builds for processors with AVX2. On an older one the program would end with an illegal
//! instruction; this says what is wrong before that can happen.

/// What this processor lacks of what the program was built for.
#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
pub fn missing_features() -> Option<&'static str> {
    // `is_x86_feature_detected!` answers with what the compiler was told, so the processor is asked itself.
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let has_leaf_7 = __cpuid(0).eax >= 7;
    let fma = __cpuid(1).ecx & (1 << 12) != 0;
    let (avx2, bmi2) = if has_leaf_7 {
        let ebx = __cpuid_count(7, 0).ebx;
        (ebx & (1 << 5) != 0, ebx & (1 << 8) != 0)
    } else {
        (false, false)
    };
    match (avx2, bmi2, fma) {
        (true, true, true) => None,
        (false, ..) => Some("AVX2"),
        (_, false, _) => Some("BMI2"),
        _ => Some("FMA"),
    }
}

/// What this processor lacks of what the program was built for.
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2")))]
pub fn missing_features() -> Option<&'static str> {
    None
}
