/* SPDX-License-Identifier: MIT */
/*
 * Kernel objects (after Bonwick, The Slab Allocator, USENIX 1994, and Magazines and Vmem, USENIX 2001).
 *
 * A cache takes blocks of 1..8 pages (slabs) and cuts them into objects of one size. Free objects of a slab form a chain through their first
 * word; in debug builds through a record behind the object, so that the object itself can be poisoned. Each CPU has a magazine: a stack
 * of free objects, used with interrupts off and no lock. The fast path is a pop or a push.
 *
 *   kmem_cache_alloc -> magazine -> (cache.lock) partial slabs -> pages_alloc
 *
 * Slabs with free objects are on cache.partial; full ones on no list. struct page of a slab's head keeps freelist and inuse;
 * every page of it has PG_SLAB and the cache.
 *
 * Locking: magazines [o] their CPU with interrupts off; cache.lock (RANK_SLAB, irqsave); slab_state.caches_mutex for the list.
 */
#include "buddy.h"

#include <hal/cpu.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/xarray.h>

#define MAGAZINE 32u
#define MAX_ORDER 3u

struct magazine { /* [o] */
	unsigned count;
	void *obj[MAGAZINE];
};

struct kmem_cache {
	/* [c] */
	const char *name;
	u32 size;     /* what the user sees */
	u32 stride;   /* from object to object */
	u32 link;     /* offset of the free chain's pointer in an object */
	u16 per_slab;
	u8 order;
	u8 magazine_max;
	struct magazine *magazines; /* one for each CPU */
	/* [caches_mutex] */
	struct list node;
	/* [lock] */
	struct spinlock lock;
	struct list partial;
	unsigned nr_slabs, nr_empty;
	size_t out; /* objects in use or in magazines */
};

#ifdef MAESTRO_DEBUG
#define RED_LIVE 0x4c495645u
#define RED_FREE 0x46524545u
#define POISON_FREE 0x6b
#define POISON_NEW 0x5a
struct object_tail {
	void *next;
	uintptr_t owner; /* who allocated or freed it last */
	u32 red[2];
};

static struct object_tail *tail_of(const struct kmem_cache *c, const void *obj)
{
	return (struct object_tail *)((uintptr_t)obj + c->link);
}

static void check_red(const struct kmem_cache *c, const void *obj, u32 want, const char *what)
{
	const struct object_tail *t = tail_of(c, obj);

	if (likely(t->red[0] == want && t->red[1] == want))
		return;
	panic("slab %s: %s at %p (red zone %#x %#x), last touched by %#lx", c->name, what, obj, t->red[0], t->red[1], (unsigned long)t->owner);
}

static void debug_alloc(struct kmem_cache *c, void *obj, uintptr_t caller)
{
	struct object_tail *t = tail_of(c, obj);
	const u8 *b = obj;

	check_red(c, obj, RED_FREE, "free object damaged");
	mem_unpoison(obj, c->size);
	for (u32 i = 0; i < c->size; i++)
		if (b[i] != POISON_FREE)
			panic("slab %s: %p written at +%u after it was freed by %#lx", c->name, obj, i, (unsigned long)t->owner);
	memset(obj, POISON_NEW, c->size);
	t->red[0] = t->red[1] = RED_LIVE;
	t->owner = caller;
}

static void debug_free(struct kmem_cache *c, void *obj, uintptr_t caller)
{
	struct object_tail *t = tail_of(c, obj);

	check_red(c, obj, RED_LIVE, t->red[0] == RED_FREE ? "freed twice" : "written past its end");
	t->red[0] = t->red[1] = RED_FREE;
	t->owner = caller;
	memset(obj, POISON_FREE, c->size);
	mem_poison(obj, c->size);
}

static void debug_new(struct kmem_cache *c, void *obj)
{
	struct object_tail *t = tail_of(c, obj);

	t->red[0] = t->red[1] = RED_FREE;
	t->owner = 0;
	memset(obj, POISON_FREE, c->size);
	mem_poison(obj, c->size);
}
#define TAIL_SIZE sizeof(struct object_tail)
#else
#define debug_alloc(c, obj, caller) ((void)0)
#define debug_free(c, obj, caller) ((void)0)
#define debug_new(c, obj) ((void)0)
#define TAIL_SIZE 0u
#endif

static struct slab_state *slabs(void)
{
	return &kernel()->slab;
}

static void **link_of(const struct kmem_cache *c, void *obj)
{
	return (void **)((uintptr_t)obj + c->link);
}

static struct page *slab_head(const struct kmem_cache *c, const void *obj)
{
	/* blocks are aligned to their size */
	return pfn_to_page(page_to_pfn(virt_to_page(obj)) & ~((1UL << c->order) - 1));
}

/* --- slabs --- */
static struct page *slab_new(struct kmem_cache *c, enum gfp gfp)
{
	struct page *p = pages_alloc(c->order, (enum gfp)(gfp & ~(GFP_ZERO | GFP_HIGH)));
	u8 *base;

	if (!p)
		return NULL;
	for (unsigned i = 0; i < 1u << c->order; i++) {
		page_set(p + i, PG_SLAB);
		p[i].slab = c;
	}
	base = page_address(p);
	p->freelist = NULL;
	p->inuse = 0;
	for (unsigned i = c->per_slab; i-- > 0;) {
		void *obj = base + i * c->stride;

		debug_new(c, obj);
		*link_of(c, obj) = p->freelist;
		p->freelist = obj;
	}
	atomic_add(&slabs()->pages, 1L << c->order);
	return p;
}

static void slab_release(struct kmem_cache *c, struct page *p)
{
	for (unsigned i = 0; i < 1u << c->order; i++) {
		page_clear(p + i, PG_SLAB);
		p[i].slab = NULL;
	}
	p->freelist = NULL;
	p->inuse = 0;
	atomic_sub(&slabs()->pages, 1L << c->order);
	pages_free(p, c->order);
}

/* Moves up to n objects from partial slabs to the magazine. */
static void take_objects(struct kmem_cache *c, struct magazine *m, unsigned n)
{
	assert_held(&c->lock);
	while (n && !list_empty(&c->partial)) {
		struct page *p = list_first(&c->partial, struct page, slab_list);

		if (!p->inuse)
			c->nr_empty--;
		while (n && p->freelist) {
			void *obj = p->freelist;

			p->freelist = *link_of(c, obj);
			p->inuse++;
			c->out++;
			m->obj[m->count++] = obj;
			n--;
		}
		if (!p->freelist)
			list_del(&p->slab_list);
	}
}

/* Gives one object back to its slab; returns the slab if it is empty and one too many. */
static struct page *give_object(struct kmem_cache *c, void *obj)
{
	struct page *p = slab_head(c, obj);

	assert_held(&c->lock);
	DEBUG_ASSERT(p->slab == c && p->inuse);
	if (!p->freelist)
		list_add(&c->partial, &p->slab_list);
	*link_of(c, obj) = p->freelist;
	p->freelist = obj;
	c->out--;
	if (--p->inuse)
		return NULL;
	if (c->nr_empty) {
		list_del(&p->slab_list);
		c->nr_slabs--;
		return p;
	}
	c->nr_empty++;
	list_move_tail(&c->partial, &p->slab_list);
	return NULL;
}

static void magazine_drain(struct kmem_cache *c, struct magazine *m, unsigned n)
{
	while (n-- && m->count) {
		struct page *empty;

		spin_lock(&c->lock);
		empty = give_object(c, m->obj[--m->count]);
		spin_unlock(&c->lock);
		if (empty)
			slab_release(c, empty);
	}
}

/* --- objects --- */
static __noinline void *alloc_slow(struct kmem_cache *c, enum gfp gfp)
{
	void *obj = NULL;

	for (;;) {
		struct magazine *m;
		struct page *p;
		unsigned long flags;

		preempt_disable();
		flags = hal_irq_save();
		m = &c->magazines[this_cpu()->id];
		if (!m->count) {
			spin_lock(&c->lock);
			take_objects(c, m, c->magazine_max / 2u);
			spin_unlock(&c->lock);
		}
		if (m->count)
			obj = m->obj[--m->count];
		hal_irq_restore(flags);
		preempt_enable();
		if (obj)
			return obj;
		p = slab_new(c, gfp);
		if (!p)
			return NULL;
		flags = spin_lock_irqsave(&c->lock);
		c->nr_slabs++;
		c->nr_empty++;
		list_add(&c->partial, &p->slab_list);
		spin_unlock_irqrestore(&c->lock, flags);
	}
}

static inline void *cache_alloc(struct kmem_cache *c, enum gfp gfp, uintptr_t caller)
{
	unsigned long flags;
	struct magazine *m;
	void *obj;

	(void)caller;
	if (unlikely(load_relaxed(&kernel()->page.fail_armed)) && alloc_should_fail())
		return NULL;
	flags = hal_irq_save();
	m = &c->magazines[this_cpu()->id];
	if (likely(m->count)) {
		obj = m->obj[--m->count];
		hal_irq_restore(flags);
	} else {
		hal_irq_restore(flags);
		obj = alloc_slow(c, gfp);
		if (!obj)
			return NULL;
	}
	debug_alloc(c, obj, caller);
	if (gfp & GFP_ZERO)
		memset(obj, 0, c->size);
	return obj;
}

static inline void cache_free(struct kmem_cache *c, void *obj, uintptr_t caller)
{
	unsigned long flags;
	struct magazine *m;

	(void)caller;
	debug_free(c, obj, caller);
	flags = hal_irq_save();
	m = &c->magazines[this_cpu()->id];
	if (unlikely(m->count == c->magazine_max)) {
		preempt_disable();
		magazine_drain(c, m, c->magazine_max / 2u);
		m->obj[m->count++] = obj;
		hal_irq_restore(flags);
		preempt_enable();
		return;
	}
	m->obj[m->count++] = obj;
	hal_irq_restore(flags);
}

void *kmem_cache_alloc(struct kmem_cache *c, enum gfp gfp)
{
	if (gfp & GFP_WAIT)
		might_sleep();
	return cache_alloc(c, gfp, (uintptr_t)__builtin_return_address(0));
}

void kmem_cache_free(struct kmem_cache *c, void *obj)
{
	DEBUG_ASSERT(virt_to_page(obj)->slab == c);
	cache_free(c, obj, (uintptr_t)__builtin_return_address(0));
}

/* --- caches --- */
static void cache_setup(struct kmem_cache *c, const char *name, size_t size, size_t align, struct magazine *magazines)
{
	u32 best_waste = ~0u;

	if (align < sizeof(void *))
		align = sizeof(void *);
	c->name = name;
	c->size = (u32)size;
	c->link = TAIL_SIZE ? (u32)ALIGN_UP(size, sizeof(void *)) : 0;
	c->stride = (u32)ALIGN_UP(TAIL_SIZE ? c->link + TAIL_SIZE : size, align);
	/* the smallest slab that wastes no more than an eighth, else the one that wastes least */
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		u32 bytes = (u32)PAGE_SIZE << order, waste = (bytes % c->stride) << (MAX_ORDER - order);

		if (bytes < c->stride || waste >= best_waste)
			continue;
		best_waste = waste;
		c->order = (u8)order;
		c->per_slab = (u16)(bytes / c->stride);
		if ((bytes % c->stride) * 8 <= bytes)
			break;
	}
	c->magazine_max = (u8)(size <= 256 ? MAGAZINE : size <= 1024 ? MAGAZINE / 2 : MAGAZINE / 4);
	c->magazines = magazines;
	spin_init(&c->lock, RANK_SLAB, name);
	list_init(&c->partial);
	list_init(&c->node);
}

kerr_t kmem_cache_create(struct kmem_cache **out, const char *name, size_t size, size_t align)
{
	struct slab_state *s = slabs();
	struct kmem_cache *c;
	struct magazine *m;

	ASSERT(size && size <= (PAGE_SIZE << MAX_ORDER) - TAIL_SIZE - 64 && (align & (align - 1)) == 0);
	c = kmem_cache_alloc(s->cache_of_caches, (enum gfp)(GFP_KERNEL | GFP_ZERO));
	if (!c)
		return KERR(ENOMEM);
	m = kzalloc(hal_cpu_count() * sizeof(*m), GFP_KERNEL);
	if (!m) {
		kmem_cache_free(s->cache_of_caches, c);
		return KERR(ENOMEM);
	}
	cache_setup(c, name, size, align, m);
	mutex_lock(&s->caches_mutex);
	list_add_tail(&s->caches, &c->node);
	mutex_unlock(&s->caches_mutex);
	*out = c;
	return KERR(0);
}

/* Called when nobody uses the cache any more: the other CPUs' magazines are at rest. */
void kmem_cache_destroy(struct kmem_cache *c)
{
	struct slab_state *s = slabs();
	struct page *p, *tmp;
	unsigned long flags;

	if (!c)
		return;
	mutex_lock(&s->caches_mutex);
	list_del(&c->node);
	mutex_unlock(&s->caches_mutex);
	preempt_disable();
	flags = hal_irq_save();
	for (unsigned i = 0; i < hal_cpu_count(); i++)
		magazine_drain(c, &c->magazines[i], ~0u);
	hal_irq_restore(flags);
	preempt_enable();
	if (c->out) {
		/* the objects may still be referred to: leaking them is the safe thing */
		klog_err("slab %s: destroyed with %zu objects in use", c->name, c->out);
		return;
	}
	list_for_each_safe(p, tmp, &c->partial, slab_list) {
		list_del(&p->slab_list);
		slab_release(c, p);
	}
	kfree(c->magazines);
	kmem_cache_free(s->cache_of_caches, c);
}

size_t kmem_cache_in_use(const struct kmem_cache *c)
{
	/* a report: other CPUs' counts may move meanwhile */
	size_t n = load_relaxed(&c->out);

	for (unsigned i = 0; i < hal_cpu_count(); i++)
		n -= load_relaxed(&c->magazines[i].count);
	return n;
}

size_t slab_for_each(void (*fn)(void *arg, const char *name, size_t size, size_t in_use, size_t total), void *arg)
{
	struct slab_state *s = slabs();
	struct kmem_cache *c;
	size_t n = 0;

	mutex_lock(&s->caches_mutex);
	list_for_each(c, &s->caches, node) {
		fn(arg, c->name, c->size, kmem_cache_in_use(c), (size_t)load_relaxed(&c->nr_slabs) * c->per_slab);
		n++;
	}
	mutex_unlock(&s->caches_mutex);
	return n;
}

/* --- kmalloc --- */
static const struct {
	u16 size;
	const char *name;
} classes[KMALLOC_CLASSES] = {
	{ 16, "kmalloc-16" },	{ 32, "kmalloc-32" },	{ 64, "kmalloc-64" },	{ 96, "kmalloc-96" },	  { 128, "kmalloc-128" },
	{ 192, "kmalloc-192" }, { 256, "kmalloc-256" }, { 512, "kmalloc-512" }, { 1024, "kmalloc-1k" }, { 2048, "kmalloc-2k" },
};
/* The class of each size up to 192, by (size - 1) / 16. */
static const u8 small_class[12] = { 0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5 };

static struct kmem_cache *class_of(size_t size)
{
	if (size <= 192)
		return slabs()->kmalloc[small_class[(size - (size != 0)) >> 4]];
	return slabs()->kmalloc[bit_width(size - 1) - 2]; /* 256 is class 6 */
}

static __noinline void *kmalloc_big(size_t size, enum gfp gfp)
{
	unsigned order = bit_width((size - 1) >> PAGE_SHIFT);
	struct page *p;

	if (size > PAGE_SIZE << PAGE_MAX_ORDER)
		return NULL;
	p = pages_alloc(order, (enum gfp)(gfp & ~GFP_HIGH));
	if (!p)
		return NULL;
	p->order = order;
	atomic_add(&slabs()->big_pages, 1L << order);
	return page_address(p);
}

void *kmalloc(size_t size, enum gfp gfp)
{
	if (gfp & GFP_WAIT)
		might_sleep();
	if (unlikely(size > 2048))
		return kmalloc_big(size, gfp);
	return cache_alloc(class_of(size), gfp, (uintptr_t)__builtin_return_address(0));
}

void kfree(const void *ptr)
{
	void *obj = (void *)(uintptr_t)ptr;
	struct page *p;

	if (!obj)
		return;
	p = virt_to_page(obj);
	if (likely(page_test(p, PG_SLAB))) {
		cache_free(p->slab, obj, (uintptr_t)__builtin_return_address(0));
		return;
	}
	DEBUG_ASSERT(((uintptr_t)obj & (PAGE_SIZE - 1)) == 0 && atomic_read(&p->refs) == 1);
	atomic_sub(&slabs()->big_pages, 1L << p->order);
	pages_free(p, p->order);
}

size_t kmalloc_size(const void *ptr)
{
	struct page *p;

	if (!ptr)
		return 0;
	p = virt_to_page(ptr);
	return page_test(p, PG_SLAB) ? p->slab->size : PAGE_SIZE << p->order;
}

void *krealloc(void *old, size_t size, enum gfp gfp)
{
	size_t have = kmalloc_size(old);
	void *p;

	if (old && size <= have)
		return old;
	p = kmalloc(size, gfp);
	if (!p)
		return NULL;
	if (old)
		memcpy(p, old, have);
	kfree(old);
	return p;
}

char *kstrndup(const char *s, size_t max, enum gfp gfp)
{
	size_t n = strnlen(s, max);
	char *p = kmalloc(n + 1, gfp);

	if (!p)
		return NULL;
	memcpy(p, s, n);
	p[n] = 0;
	return p;
}

char *kstrdup(const char *s, enum gfp gfp)
{
	return kstrndup(s, SIZE_MAX - 1, gfp);
}

char *path_buf_alloc(void)
{
	return kmem_cache_alloc(slabs()->path_cache, GFP_KERNEL);
}

void path_buf_free(char *buf)
{
	if (buf)
		kmem_cache_free(slabs()->path_cache, buf);
}

/* The first caches are needed to make caches: they and their magazines lie in one block of pages, for ever. */
kerr_t slab_init(void)
{
	struct slab_state *s = slabs();
	unsigned n = KMALLOC_CLASSES + 1, cpus = hal_cpu_count();
	size_t bytes = n * (sizeof(struct kmem_cache) + cpus * sizeof(struct magazine));
	struct kmem_cache *c;
	struct magazine *m;
	struct page *p;

	mutex_init(&s->caches_mutex, RANK_MUTEX_LEAF, "slab caches");
	list_init(&s->caches);
	p = pages_alloc(bit_width((bytes - 1) >> PAGE_SHIFT), (enum gfp)(GFP_KERNEL | GFP_ZERO));
	if (!p)
		return KERR(ENOMEM);
	c = page_address(p);
	m = (struct magazine *)(c + n);
	for (unsigned i = 0; i < n; i++, c++, m += cpus) {
		if (i < KMALLOC_CLASSES) {
			cache_setup(c, classes[i].name, classes[i].size, classes[i].size & (classes[i].size - 1) ? 16 : MIN(classes[i].size, 64),
				    m);
			s->kmalloc[i] = c;
		} else {
			cache_setup(c, "kmem_cache", sizeof(*c), 0, m);
			s->cache_of_caches = c;
		}
		list_add_tail(&s->caches, &c->node);
	}
	kerr_t err = kmem_cache_create(&s->path_cache, "path", PATH_MAX, 0);

	return err ? err : xa_node_cache_init();
}
