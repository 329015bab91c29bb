import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Relative addresses, so that the files work under any path and from a CDN.
  base: './',
  plugins: [react()],
  build: {
    // Nothing is inlined: the page runs under `script-src 'self'; style-src 'self'; img-src 'self'`.
    assetsInlineLimit: 0,
  },
  server: {
    // `npm run dev` talks to an API of this machine.
    proxy: { '/email': 'http://127.0.0.1:8000', '/events': 'http://127.0.0.1:8000' },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    restoreMocks: true,
  },
})
