/* SPDX-License-Identifier: MIT */
/* Kernel objects. Every allocation may fail. Debug builds poison freed objects and check red zones; hosted ASan is told. */
#pragma once

#include <maestro/page.h>

struct kmem_cache;
/* ctor may be NULL; objects are zeroed only with GFP_ZERO. name is kept by reference. KERR(ENOMEM). */
kerr_t kmem_cache_create(struct kmem_cache **out, const char *name, size_t size, size_t align) __must_check;
void kmem_cache_destroy(struct kmem_cache *c); /* reports objects still in use */
void *kmem_cache_alloc(struct kmem_cache *c, enum gfp gfp) __must_check;
void kmem_cache_free(struct kmem_cache *c, void *obj);
size_t kmem_cache_in_use(const struct kmem_cache *c);

/* Any size up to 4 MiB; 16-byte aligned; >= a page: page-aligned, contiguous. kfree(NULL) is harmless. Any context (with the right gfp). */
void *kmalloc(size_t size, enum gfp gfp) __must_check;
static inline void *kzalloc(size_t size, enum gfp gfp)
{
	return kmalloc(size, (enum gfp)(gfp | GFP_ZERO));
}
void kfree(const void *p);
size_t kmalloc_size(const void *p);
char *kstrdup(const char *s, enum gfp gfp) __must_check;
char *kstrndup(const char *s, size_t max, enum gfp gfp) __must_check;
void *krealloc(void *p, size_t size, enum gfp gfp) __must_check;
kerr_t slab_init(void) __must_check;
/* Asks every registered cache of reclaimable things (dentries, inodes, buffers, pages) to give back; core/mm/reclaim.c. */
struct shrinker {
	struct list node;
	const char *name;
	size_t (*shrink)(struct shrinker *s, size_t nr, enum gfp gfp); /* returns objects freed. gfp says whether I/O is allowed */
};
void shrinker_register(struct shrinker *s);
/* Debug: fail the nth allocation from now (0: never). Counts pages and objects. Returns how many were counted. */
void alloc_fail_nth(u64 nth);
u64 alloc_fail_seen(void);
void alloc_fail_often(u32 per_million, u64 seed); /* besides: each with this probability; 0: none. The same seed fails the same ones */
size_t slab_for_each(void (*fn)(void *arg, const char *name, size_t size, size_t in_use, size_t total), void *arg);
/* PATH_MAX buffers. */
char *path_buf_alloc(void) __must_check;
void path_buf_free(char *buf);
