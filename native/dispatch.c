/* dispatch.c: CPU detection and the tables of every compiled variant. Compiled for the baseline only. */
#include "include/dispatch.h"
#include "include/integer_reduce.h"
#include "include/integers.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define X86 1
#include <cpuid.h>
#endif

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

/* Every variant's tables, declared and listed from families.def. */
#define KERNELS(stem)                                                                                \
    extern const ct_family ct_##stem##_f32_baseline, ct_##stem##_f64_baseline, ct_##stem##_f32_avx2, \
        ct_##stem##_f64_avx2, ct_##stem##_f32_avx512, ct_##stem##_f64_avx512;
#define API(stem)                                                                                     \
    extern const char ct_##stem##_f32_baseline[], ct_##stem##_f64_baseline[], ct_##stem##_f32_avx2[], \
        ct_##stem##_f64_avx2[], ct_##stem##_f32_avx512[], ct_##stem##_f64_avx512[];
#include "include/families.def"
#undef KERNELS
#undef API

typedef struct {
    const char *isa;
    const void *table[2][CT_FAMILIES]; /* [float32, float64][family] */
} variant;

#define KERNELS(stem) &PASTE(ct_##stem, TAIL),
#define API(stem) PASTE(ct_##stem, TAIL),
static const variant variants[] = {
    {"baseline",
     {
#define TAIL _f32_baseline
         {
#include "include/families.def"
         },
#undef TAIL
#define TAIL _f64_baseline
         {
#include "include/families.def"
         },
#undef TAIL
     }},
#ifdef CT_WITH_AVX2
    {"avx2",
     {
#define TAIL _f32_avx2
         {
#include "include/families.def"
         },
#undef TAIL
#define TAIL _f64_avx2
         {
#include "include/families.def"
         },
#undef TAIL
     }},
#endif
#ifdef CT_WITH_AVX512
    {"avx512",
     {
#define TAIL _f32_avx512
         {
#include "include/families.def"
         },
#undef TAIL
#define TAIL _f64_avx512
         {
#include "include/families.def"
         },
#undef TAIL
     }},
#endif
};
#undef KERNELS
#undef API

static const struct {
    const char *name;
    int is_kernels;
} families[] = {
#define KERNELS(stem) {#stem, 1},
#define API(stem) {#stem, 0},
#include "include/families.def"
#undef KERNELS
#undef API
};

static const variant *chosen = &variants[0];

#ifdef X86
static int cpu_has(const char *isa) {
    unsigned a, b, c, d, xcr0_low, xcr0_high;
    if (strcmp(isa, "baseline") == 0) return 1;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned need1 = (1u << 12) | (1u << 27) | (1u << 28) | (1u << 29); /* FMA OSXSAVE AVX F16C */
    if ((c & need1) != need1) return 0;
    __asm__("xgetbv" : "=a"(xcr0_low), "=d"(xcr0_high) : "c"(0));
    if ((xcr0_low & 6) != 6) return 0; /* the system saves ymm */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned avx2 = (1u << 5) | (1u << 3) | (1u << 8); /* AVX2 BMI1 BMI2 */
    if ((b & avx2) != avx2) return 0;
    if (strcmp(isa, "avx2") == 0) return 1;
    const unsigned avx512 = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31) | (1u << 28); /* F DQ BW VL CD */
    return strcmp(isa, "avx512") == 0 && (xcr0_low & 0xe6) == 0xe6 && (b & avx512) == avx512;
}
#else
static int cpu_has(const char *isa) { return strcmp(isa, "baseline") == 0; }
#endif

static const variant *compiled(const char *isa) {
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (strcmp(variants[i].isa, isa) == 0) return &variants[i];
    return NULL;
}

int ct_dispatch_has(const char *isa) { return compiled(isa) != NULL && cpu_has(isa); }

int ct_dispatch_init(const char *isa) {
    if (!isa) isa = getenv("CORTEN_ISA");
    if (isa && *isa) {
        const variant *v = compiled(isa);
        if (!v) return -1;
        if (!cpu_has(isa)) return -2;
        chosen = v;
        return 0;
    }
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        if (cpu_has(variants[i].isa)) chosen = &variants[i];
    return 0;
}

const char *ct_dispatch_isa(void) { return chosen->isa; }

static const ct_kernel *find_in(const ct_family *family, const char *name) {
    for (int i = 0; i < family->count; i++)
        if (strcmp(family->rows[i].name, name) == 0) return &family->rows[i];
    return NULL;
}

const ct_kernel *ct_find_kernel(const char *name, int dtype) {
    const ct_kernel *found = NULL;
    if (dtype < 0 || dtype >= CT_DTYPES) return NULL;
    if (dtype != CT_FLOAT32 && dtype != CT_FLOAT64) {
        found = ct_find_integer_kernel(name, dtype);
        if (!found && dtype >= CT_INT8 && dtype <= CT_BOOL) found = ct_find_integer_reduction(name);
        if (!found && dtype == CT_INT64) found = find_in(chosen->table[CT_FLOAT64][CT_ID_sort], name);
        if (!found && dtype == CT_INT64) found = find_in(chosen->table[CT_FLOAT64][CT_ID_scan], name);
        /* moving elements is the same for every dtype */
        return found ? found : find_in(chosen->table[CT_FLOAT32][CT_ID_index_move], name);
    }
    for (int f = 0; f < CT_FAMILIES && !found; f++)
        if (families[f].is_kernels) found = find_in(chosen->table[dtype][f], name);
    return found;
}

const void *ct_find_api(const char *name, int dtype) {
    if (dtype != CT_FLOAT32 && dtype != CT_FLOAT64) return NULL;
    for (int f = 0; f < CT_FAMILIES; f++)
        if (!families[f].is_kernels && strcmp(families[f].name, name) == 0) return chosen->table[dtype][f];
    return NULL;
}

const ct_kernel *ct_kernel_at(int index) {
    for (int f = 0; f < CT_FAMILIES; f++) {
        if (!families[f].is_kernels) continue;
        const ct_family *family = chosen->table[CT_FLOAT32][f];
        if (index < family->count) return &family->rows[index];
        index -= family->count;
    }
    return NULL;
}
