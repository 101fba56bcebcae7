// A hundred NULL checks by SIGSEGV in compiled code; then waits, or really crashes.
import java.lang.reflect.Field;

public class Crash {
	static int length(String s) {
		return s.length();
	}

	public static void main(String[] args) throws Exception {
		String[] values = new String[1];
		int caught = 0;
		for (int i = 0; i < 200000; i++) {
			try {
				length(i % 2000 == 0 ? values[0] : "four");
			} catch (NullPointerException e) {
				caught++;
			}
		}
		System.out.println("caught " + caught);
		if (args.length > 0) {
			System.out.println("READY");
			Thread.sleep(Long.parseLong(args[0]));
			System.out.println("awake");
			return;
		}
		Field f = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
		f.setAccessible(true);
		((sun.misc.Unsafe) f.get(null)).putLong(8L, 1L);
	}
}
