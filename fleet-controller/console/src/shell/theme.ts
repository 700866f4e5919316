export type Theme = 'light' | 'dark';

const KEY = 'millwright.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

const chosen = (): Theme | undefined => {
  const kept = localStorage.getItem(KEY);
  return kept === 'light' || kept === 'dark' ? kept : undefined;
};

export const currentTheme = (): Theme => chosen() ?? (system.matches ? 'dark' : 'light');

/** Follows the system until a person chooses. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = currentTheme();
}

export function chooseTheme(theme: Theme): void {
  if (theme === (system.matches ? 'dark' : 'light')) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  applyTheme();
  window.dispatchEvent(new Event('themechange'));
}

export function watchTheme(onChange: () => void): () => void {
  const follow = () => {
    applyTheme();
    onChange();
  };
  system.addEventListener('change', follow);
  window.addEventListener('themechange', onChange);
  return () => {
    system.removeEventListener('change', follow);
    window.removeEventListener('themechange', onChange);
  };
}
