/* A BLAS with a bad adder: loaded with LD_PRELOAD in place of the sgemm of the library FLIP_BLAS, which does the work. One
 * bit of the product is wrong from the FLIP_AFTER-th call on, so that it is right when it is first looked at. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#ifndef SGEMM
#define SGEMM cblas_sgemm
#endif
#define TEXT(name) #name
#define NAME(name) TEXT(name)

typedef void Sgemm(int, int, int, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *, int64_t, float,
                   float *, int64_t);

Sgemm SGEMM;

void SGEMM(int order, int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
           const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    static Sgemm *real;
    static long calls;
    if (!real) real = (Sgemm *)dlsym(dlopen(getenv("FLIP_BLAS"), RTLD_NOW), NAME(SGEMM));
    real(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (++calls > atol(getenv("FLIP_AFTER"))) ((uint32_t *)c)[m * n / 3] ^= 1u << 27;
}
