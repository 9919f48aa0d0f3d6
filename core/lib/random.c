/* SPDX-License-Identifier: MIT */
/*
 * Random numbers: ChaCha20 (RFC 8439, 2.3) as a generator with fast key erasure: each refill makes 32 bytes that replace the key,
 * then output; what was given out is wiped. New entropy is mixed into the key by running the cipher over it.
 * Lock: random.lock, a leaf, irqsave.
 */
#include <hal/cpu.h>
#include <hal/platform.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>

#define ROTL(x, n) (((x) << (n)) | ((x) >> (32 - (n))))

static inline void quarter(u32 *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b];
	x[d] = ROTL(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = ROTL(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = ROTL(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = ROTL(x[b] ^ x[c], 7);
}

static void chacha_block(const u32 key[8], u64 counter, u32 out[16])
{
	u32 in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(in + 4, key, 32);
	in[12] = (u32)counter;
	in[13] = (u32)(counter >> 32);
	memcpy(out, in, 64);
	for (unsigned i = 0; i < 10; i++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (unsigned i = 0; i < 16; i++)
		out[i] += in[i];
}

static void refill(struct random_state *r)
{
	u32 block[16];

	assert_held(&r->lock);
	for (unsigned i = 0; i < sizeof(r->pool) / 64; i++) {
		chacha_block(r->key, r->counter++, block);
		memcpy(r->pool + i * 64, block, 64);
	}
	chacha_block(r->key, r->counter++, block);
	memcpy(r->key, block, 32);
	r->pool_left = sizeof(r->pool);
}

static void mix(struct random_state *r, const void *p, size_t n)
{
	const u8 *s = p;
	u32 block[16];

	assert_held(&r->lock);
	while (n) {
		u8 *k = (u8 *)r->key;
		size_t take = MIN(n, sizeof(r->key));

		for (size_t i = 0; i < take; i++)
			k[i] ^= s[i];
		chacha_block(r->key, r->counter++, block);
		memcpy(r->key, block, 32);
		s += take;
		n -= take;
	}
	r->pool_left = 0;
}

void random_add_entropy(const void *p, size_t n)
{
	struct random_state *r = &kernel()->lib.random;
	u64 now = hal_cycles();
	unsigned long flags = spin_lock_irqsave(&r->lock);

	mix(r, &now, sizeof(now));
	mix(r, p, n);
	spin_unlock_irqrestore(&r->lock, flags);
}

void random_bytes(void *buf, size_t n)
{
	struct random_state *r = &kernel()->lib.random;
	u8 *d = buf;

	while (n) {
		/* the lock is dropped between pieces: a long request must not keep interrupts off */
		unsigned long flags = spin_lock_irqsave(&r->lock);
		size_t take;
		u8 *from;

		if (!r->pool_left)
			refill(r);
		take = MIN(n, (size_t)r->pool_left);
		from = r->pool + sizeof(r->pool) - r->pool_left;
		memcpy(d, from, take);
		memset(from, 0, take);
		r->pool_left -= (unsigned)take;
		spin_unlock_irqrestore(&r->lock, flags);
		d += take;
		n -= take;
	}
}

u32 random_u32(void)
{
	u32 v;

	random_bytes(&v, sizeof(v));
	return v;
}

bool random_ready(void)
{
	return load_relaxed(&kernel()->lib.random.ready);
}

kerr_t random_init(void)
{
	struct random_state *r = &kernel()->lib.random;
	u8 seed[64];
	bool good;

	spin_init(&r->lock, RANK_LEAF, "random");
	good = hal_random(seed, sizeof(seed));
	random_add_entropy(seed, sizeof(seed));
	/* Without a hardware source the jitter the backend gathered is all there will be: waiting for more would wait for ever. */
	store_relaxed(&r->ready, true);
	if (!good)
		klog_warn("random: no hardware source of entropy; seeded from timing");
	return KERR(0);
}
