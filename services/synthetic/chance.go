package synthetic

// chance is a stream of numbers that follow from a seed: SplitMix64, whose values
// no release of Go changes, as golden files need.
type chance uint64

func (c *chance) next() uint64 {
	*c += 0x9e3779b97f4a7c15
	z := uint64(*c)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number from 0 to n-1; n must be positive.
func (c *chance) below(n int) int { return int(c.next() % uint64(n)) }

// shuffle brings s into another order.
func shuffle[T any](c *chance, s []T) {
	for i := len(s) - 1; i > 0; i-- {
		j := c.below(i + 1)
		s[i], s[j] = s[j], s[i]
	}
}
