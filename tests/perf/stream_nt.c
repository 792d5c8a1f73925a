// The reference of test_stream.py: triad with non-temporal stores, one contiguous share per OpenMP thread.
// n must be a multiple of 8 and the arrays aligned to 64 bytes.
#include <stddef.h>
#if defined(__AVX512F__) || defined(__AVX__)
#include <immintrin.h>
#endif

void triad_nt(double *a, const double *b, const double *c, double s, long n) {
#pragma omp parallel for schedule(static)
    for (long line = 0; line < n / 8; line++) {
        double *x = a + 8 * line;
        const double *y = b + 8 * line, *z = c + 8 * line;
#if defined(__AVX512F__)
        _mm512_stream_pd(x, _mm512_fmadd_pd(_mm512_set1_pd(s), _mm512_load_pd(z), _mm512_load_pd(y)));
#elif defined(__AVX__)
        for (int k = 0; k < 8; k += 4)
            _mm256_stream_pd(x + k, _mm256_add_pd(_mm256_load_pd(y + k),
                                                  _mm256_mul_pd(_mm256_set1_pd(s), _mm256_load_pd(z + k))));
#else
        for (int k = 0; k < 8; k++) x[k] = y[k] + s * z[k];  // no portable non-temporal store in GNU C
#endif
    }
#if defined(__SSE__)
#pragma omp parallel
    _mm_sfence();
#endif
}
