/** What our scripts use of htm-preact.js, for type checkers. */
export type Child = any;
export function html(strings: TemplateStringsArray, ...values: unknown[]): Child;
export function render(tree: Child, parent: Element): void;
export abstract class Component {
  base: Element | null;
  props: any;
  constructor(props?: any);
  abstract render(): Child;
}
export function useState<T>(initial: T | (() => T)): [T, (value: T | ((before: T) => T)) => void];
export function useReducer<S, A>(reducer: (state: S, action: A) => S, initial: S): [S, (action: A) => void];
export function useEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
export function useLayoutEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
export function useRef<T>(initial: T): { current: T };
