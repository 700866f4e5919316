import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** `npm run -w @millwright/fleet-controller dev` shows the console with the API of a running region behind it. */
const region = process.env.MILLWRIGHT_REGION ?? 'http://127.0.0.1:7300';

export default defineConfig({
  plugins: [react()],
  build: { target: 'es2023', sourcemap: false, assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
  server: { proxy: { '/api': region, '/healthz': region } },
});
