/* image.c: from decoded pixels to what a network reads: resize, change colours, normalise, warp.
 *
 * Everything is computed in floating point from the 8-bit source to the end: there is no rounding between the steps.
 */
#include <math.h>
#include <string.h>

#include "../include/image.h"
#include "../include/par.h"

typedef unsigned char quad_u8 __attribute__((vector_size(4)));
typedef real quad __attribute__((vector_size(4 * sizeof(real))));

/* ---- resize: separable, the filter as wide as a pixel of the coarser of both grids */

typedef struct {
    int32_t *first, *count; /* (out): taps of each output position */
    real *weight;           /* (out, most) */
    int64_t most;
} tap_table;

static double filter_support(int filter) { return filter == IMAGE_BICUBIC ? 2.0 : 1.0; }

static int64_t most_taps(int64_t in, int64_t out, int filter) {
    const double scale = (double)in / (double)out;
    return 2 * (int64_t)ceil(filter_support(filter) * (scale > 1 ? scale : 1)) + 1;
}

static double filter_at(int filter, double x) {
    x = x < 0 ? -x : x;
    if (filter == IMAGE_BICUBIC) { /* Keys (1981), a = -1/2 */
        if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
        return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    }
    return x < 1 ? 1 - x : 0;
}

static void fill_taps(tap_table t, int64_t in, int64_t out, int filter, int mirror) {
    const double scale = (double)in / (double)out, wide = scale > 1 ? scale : 1;
    for (int64_t i = 0; i < out; i++) {
        const int64_t to = mirror ? out - 1 - i : i;
        const double centre = ((double)i + 0.5) * scale;
        real *w = t.weight + to * t.most;
        if (in == out || filter == IMAGE_NEAREST) {
            t.first[to] = (int32_t)i64_min(in - 1, (int64_t)centre), t.count[to] = 1, w[0] = 1;
            continue;
        }
        const double support = filter_support(filter) * wide;
        const int64_t low = i64_max(0, (int64_t)(centre - support + 0.5));
        const int64_t high = i64_min(in, (int64_t)(centre + support + 0.5));
        double sum = 0;
        for (int64_t k = low; k < high; k++) sum += filter_at(filter, ((double)k - centre + 0.5) / wide);
        for (int64_t k = low; k < high; k++)
            w[k - low] = (real)(filter_at(filter, ((double)k - centre + 0.5) / wide) / sum);
        t.first[to] = (int32_t)low, t.count[to] = (int32_t)(high - low);
    }
}

static int64_t tap_bytes(int64_t out, int64_t most) {
    return round_up(2 * out * (int64_t)sizeof(int32_t), 64) + round_up(out * most * (int64_t)sizeof(real), 64);
}
static tap_table tap_at(char *work, int64_t out, int64_t most) {
    tap_table t = {(int32_t *)work, (int32_t *)work + out, (real *)(work + round_up(2 * out * 4, 64)), most};
    return t;
}

static int64_t resample_work(int64_t in_height, int64_t in_width, int64_t height, int64_t width, int filter) {
    const int64_t across = most_taps(in_width, width, filter), down = most_taps(in_height, height, filter);
    return tap_bytes(width, across) + tap_bytes(height, down) +
           (down + 1) * round_up(4 * width * (int64_t)sizeof(real), 64);
}

/* one row of pixels to a row (width, lanes) */
static void across(real *restrict out, const unsigned char *row, int64_t pixel_bytes, int64_t channels, int64_t width,
                   tap_table t) {
    if (channels == 3 && pixel_bytes == 4) {
        for (int64_t x = 0; x < width; x++) {
            const unsigned char *p = row + 4 * (int64_t)t.first[x];
            const real *w = t.weight + x * t.most;
            quad sum = {0, 0, 0, 0};
            for (int32_t k = 0; k < t.count[x]; k++) {
                quad_u8 bytes;
                memcpy(&bytes, p + 4 * k, 4);
                sum += __builtin_convertvector(bytes, quad) * w[k];
            }
            memcpy(out + 4 * x, &sum, sizeof(sum));
        }
        return;
    }
    const int64_t lanes = channels == 1 ? 1 : 4;
    for (int64_t x = 0; x < width; x++) {
        const unsigned char *p = row + pixel_bytes * t.first[x];
        const real *w = t.weight + x * t.most;
        for (int64_t c = 0; c < channels; c++) {
            real sum = 0;
            for (int32_t k = 0; k < t.count[x]; k++) sum += w[k] * (real)p[pixel_bytes * k + c];
            out[lanes * x + c] = sum;
        }
    }
}

static void resample(real *out, const unsigned char *pixels, int64_t row_bytes, int64_t pixel_bytes, int64_t channels,
                     int64_t in_height, int64_t in_width, int64_t height, int64_t width, int filter, int mirror,
                     void *work) {
    const int64_t taps_x = most_taps(in_width, width, filter), taps_y = most_taps(in_height, height, filter);
    char *space = work;
    const tap_table x = tap_at(space, width, taps_x), y = tap_at(space += tap_bytes(width, taps_x), height, taps_y);
    space += tap_bytes(height, taps_y);
    const int64_t lanes = channels == 1 ? 1 : 4, ring_row = round_up(4 * width * (int64_t)sizeof(real), 64);
    real *sum = (real *)(space + taps_y * ring_row); /* (width, lanes) */
    fill_taps(x, in_width, width, filter, mirror);
    fill_taps(y, in_height, height, filter, 0);
    int64_t done = y.first[0]; /* rows below are in the ring, at their number modulo taps_y */
    for (int64_t i = 0; i < height; i++) {
        const int64_t first = y.first[i], end = first + y.count[i];
        for (done = i64_max(done, first); done < end; done++)
            across((real *)(space + done % taps_y * ring_row), pixels + done * row_bytes, pixel_bytes, channels, width,
                   x);
        const real *w = y.weight + i * taps_y;
        for (int64_t k = 0; k < y.count[i]; k++) {
            const real *restrict from = (const real *)(space + (first + k) % taps_y * ring_row);
            const real f = w[k] * (real)(1.0 / 255);
            if (k == 0)
                for (int64_t j = 0; j < lanes * width; j++) sum[j] = f * from[j];
            else
                for (int64_t j = 0; j < lanes * width; j++) sum[j] += f * from[j];
        }
        if (filter == IMAGE_BICUBIC) /* may overshoot */
            for (int64_t j = 0; j < lanes * width; j++) sum[j] = sum[j] < 0 ? 0 : sum[j] > 1 ? 1 : sum[j];
        for (int64_t c = 0; c < channels; c++) {
            real *restrict to = out + (c * height + i) * width;
            for (int64_t j = 0; j < width; j++) to[j] = sum[lanes * j + c];
        }
    }
}

/* ---- colour: x is red, green and blue from 0 to 1 */

CT_INLINE real clamp01(real v) { return v < 0 ? 0 : v > 1 ? 1 : v; }
#define GREY(r, g, b) ((real)0.299 * (r) + (real)0.587 * (g) + (real)0.114 * (b)) /* ITU-R 601 */

static void brightness(real *restrict x, int64_t n, real f) {
    for (int64_t i = 0; i < 3 * n; i++) x[i] = clamp01(f * x[i]);
}

static void contrast(real *x, int64_t n, real f) {
    const real *restrict r = x, *restrict g = x + n, *restrict b = x + 2 * n;
    double mean = 0;
    for (int64_t begin = 0; begin < n; begin += 256) { /* short sums keep their digits */
        const int64_t end = i64_min(n, begin + 256);
        real lane[8] = {0};
        int64_t i = begin;
        for (; i + 8 <= end; i += 8)
            for (int l = 0; l < 8; l++) lane[l] += GREY(r[i + l], g[i + l], b[i + l]);
        for (; i < end; i++) lane[0] += GREY(r[i], g[i], b[i]);
        for (int l = 0; l < 8; l++) mean += (double)lane[l];
    }
    const real add = (1 - f) * (real)(mean / (double)n);
    for (int64_t i = 0; i < 3 * n; i++) x[i] = clamp01(f * x[i] + add);
}

static void saturation(real *x, int64_t n, real f) {
    real *restrict r = x, *restrict g = x + n, *restrict b = x + 2 * n;
    for (int64_t i = 0; i < n; i++) {
        const real grey = (1 - f) * GREY(r[i], g[i], b[i]);
        r[i] = clamp01(f * r[i] + grey), g[i] = clamp01(f * g[i] + grey), b[i] = clamp01(f * b[i] + grey);
    }
}

/* Turn the hue by `turn` of the circle: value and chroma stay. With k = (n + 6 hue) mod 6 a channel is
 * value - chroma max(0, min(k, 4 - k, 1)), n = 5, 3, 1 for red, green, blue. */
CT_INLINE real channel_of(real n, real hue, real value, real chroma) {
    real k = n + hue;
    k = k >= 12 ? k - 12 : k >= 6 ? k - 6 : k;
    const real a = 4 - k < k ? 4 - k : k, low = a < 1 ? a : 1;
    return value - chroma * (low > 0 ? low : 0);
}
static void hue(real *x, int64_t n, real turn) {
    real *restrict r = x, *restrict g = x + n, *restrict b = x + 2 * n;
    const real six = 6 * (turn - (real)floor((double)turn));
    for (int64_t i = 0; i < n; i++) {
        const real R_ = r[i], G_ = g[i], B_ = b[i];
        const real high = R_ > G_ ? (R_ > B_ ? R_ : B_) : (G_ > B_ ? G_ : B_);
        const real low = R_ < G_ ? (R_ < B_ ? R_ : B_) : (G_ < B_ ? G_ : B_);
        const real chroma = high - low, inverse = 1 / (chroma > 0 ? chroma : 1);
        const real of_red = (G_ - B_) * inverse, of_green = 2 + (B_ - R_) * inverse, of_blue = 4 + (R_ - G_) * inverse;
        real h = high == R_ ? of_red : high == G_ ? of_green : of_blue; /* -1 ... 5 */
        h += six;
        h = h < 0 ? h + 6 : h >= 6 ? h - 6 : h;
        r[i] = channel_of(5, h, high, chroma), g[i] = channel_of(3, h, high, chroma),
        b[i] = channel_of(1, h, high, chroma);
    }
}

typedef struct {
    real *x;
    const int32_t *what;
    const real *by, *mean, *std;
    int64_t channels, pixels, steps;
} colour_args;

static void jitter_image(void *ctx, int64_t i) {
    const colour_args *a = ctx;
    real *x = a->x + i * 3 * a->pixels;
    for (int64_t s = 0; s < a->steps; s++) {
        const real f = a->by[i * a->steps + s];
        switch (a->what[i * a->steps + s]) {
        case IMAGE_BRIGHTNESS: brightness(x, a->pixels, f); break;
        case IMAGE_CONTRAST: contrast(x, a->pixels, f); break;
        case IMAGE_SATURATION: saturation(x, a->pixels, f); break;
        default: hue(x, a->pixels, f);
        }
    }
}
static void jitter(real *x, int64_t count, int64_t pixels, const int32_t *what, const real *by, int64_t steps) {
    colour_args a = {.x = x, .what = what, .by = by, .pixels = pixels, .steps = steps};
    par_for(count, jitter_image, &a);
}

static void normalise_plane(void *ctx, int64_t i) {
    const colour_args *a = ctx;
    real *restrict x = a->x + i * a->pixels;
    const real factor = 1 / a->std[i % a->channels], add = -a->mean[i % a->channels] * factor;
    for (int64_t j = 0; j < a->pixels; j++) x[j] = x[j] * factor + add;
}
static void normalise(real *x, int64_t count, int64_t channels, int64_t pixels, const real *mean, const real *std) {
    colour_args a = {.x = x, .mean = mean, .std = std, .channels = channels, .pixels = pixels};
    if (count * channels * pixels < 2 * PAR_GRAIN)
        for (int64_t i = 0; i < count * channels; i++) normalise_plane(&a, i);
    else par_for(count * channels, normalise_plane, &a);
}

/* ---- warp */

typedef struct {
    real *out;
    const real *in, *fill;
    const double *matrix;
    int64_t channels, in_height, in_width, height, width;
    int filter;
} warp_args;

CT_INLINE real pixel_or(const real *plane, int64_t x, int64_t y, int64_t width, int64_t height, real fill) {
    return x < 0 || y < 0 || x >= width || y >= height ? fill : plane[y * width + x];
}

static void warp_row(void *ctx, int64_t row) {
    const warp_args *a = ctx;
    const int64_t image = row / a->height, y = row % a->height, W = a->in_width, H = a->in_height;
    const double *m = a->matrix + 8 * image;
    for (int64_t x = 0; x < a->width; x++) {
        const double cx = (double)x + 0.5, cy = (double)y + 0.5, scale = 1 / (m[6] * cx + m[7] * cy + 1);
        const double sx = (m[0] * cx + m[1] * cy + m[2]) * scale, sy = (m[3] * cx + m[4] * cy + m[5]) * scale;
        /* beyond this no pixel is near, and the comparison fails for NaN */
        const int inside = sx > -1 && sy > -1 && sx < (double)W + 1 && sy < (double)H + 1;
        const double fx = a->filter == IMAGE_NEAREST ? floor(sx) : floor(sx - 0.5);
        const double fy = a->filter == IMAGE_NEAREST ? floor(sy) : floor(sy - 0.5);
        const int64_t ix = inside ? (int64_t)fx : -2, iy = inside ? (int64_t)fy : -2;
        const real wx = inside ? (real)(sx - 0.5 - fx) : 0, wy = inside ? (real)(sy - 0.5 - fy) : 0;
        for (int64_t c = 0; c < a->channels; c++) {
            const real *plane = a->in + (image * a->channels + c) * H * W;
            const real fill = a->fill[c];
            real v = pixel_or(plane, ix, iy, W, H, fill);
            if (a->filter != IMAGE_NEAREST) {
                const real right = pixel_or(plane, ix + 1, iy, W, H, fill);
                const real below = pixel_or(plane, ix, iy + 1, W, H, fill);
                const real both = pixel_or(plane, ix + 1, iy + 1, W, H, fill);
                const real top = v + wx * (right - v), bottom = below + wx * (both - below);
                v = top + wy * (bottom - top);
            }
            a->out[((image * a->channels + c) * a->height + y) * a->width + x] = v;
        }
    }
}
static void warp(real *out, const real *in, int64_t count, int64_t channels, int64_t in_height, int64_t in_width,
                 int64_t height, int64_t width, const double *matrix, int filter, const real *fill) {
    warp_args a = {out, in, fill, matrix, channels, in_height, in_width, height, width, filter};
    par_for(count * height, warp_row, &a);
}

const ct_image_api CT_NAME(ct_image) = {resample_work, resample, jitter, normalise, warp};
