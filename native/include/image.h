/* image.h: from decoded pixels to what a network reads. */
#ifndef CORTEN_IMAGE_H
#define CORTEN_IMAGE_H

#include "real.h"

enum { IMAGE_NEAREST = 0, IMAGE_BILINEAR = 1, IMAGE_BICUBIC = 2 };
enum { IMAGE_BRIGHTNESS = 0, IMAGE_CONTRAST = 1, IMAGE_SATURATION = 2, IMAGE_HUE = 3 };

typedef struct {
    /* bytes of workspace for resample */
    int64_t (*work)(int64_t in_height, int64_t in_width, int64_t height, int64_t width, int filter);
    /* out (channels, height, width) = pixels / 255, resized with antialiasing, mirrored left to right if `mirror` */
    void (*resample)(real *out, const unsigned char *pixels, int64_t row_bytes, int64_t pixel_bytes, int64_t channels,
                     int64_t in_height, int64_t in_width, int64_t height, int64_t width, int filter, int mirror,
                     void *work);
    /* x (count, 3, pixels) in place: the `steps` changes of colour of each image, as in `what` and `by` (count, steps)
     */
    void (*jitter)(real *x, int64_t count, int64_t pixels, const int32_t *what, const real *by, int64_t steps);
    /* x (count, channels, pixels) in place: (x - mean) / std */
    void (*normalise)(real *x, int64_t count, int64_t channels, int64_t pixels, const real *mean, const real *std);
    /* out (count, channels, height, width)[y, x] = in (count, channels, in_height, in_width) at the point
     * (m0 x + m1 y + m2, m3 x + m4 y + m5) / (m6 x + m7 y + 1) of pixel centres, matrix (count, 8); `fill` (channels)
     * outside */
    void (*warp)(real *out, const real *in, int64_t count, int64_t channels, int64_t in_height, int64_t in_width,
                 int64_t height, int64_t width, const double *matrix, int filter, const real *fill);
} ct_image_api;

extern const ct_image_api CT_NAME(ct_image);

#endif
